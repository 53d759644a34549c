"""Gates: what must hold of a table before anybody reads it, in every run."""
