"""Control plane: what runs, when and under which rules. Nothing imports it but tests and the tools' entry points."""
