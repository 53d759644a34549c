"""The whole state, copied: into a backup, back from one, and from a laptop's files to where production has it."""
