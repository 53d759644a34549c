"""Training: labelled weeks, the challenger, and who is champion."""
