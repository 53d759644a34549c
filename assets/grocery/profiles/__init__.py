"""What is normal: profiles of days, features and lists, as they are kept with the model that was made of them.

No stage of its own: training writes the profiles on a version's record, monitoring compares later nights with them.
"""
