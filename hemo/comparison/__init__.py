"""Results side by side: a leaderboard a label, paired differences, one page.

`results`, `leaderboard` and `differences` need neither runs nor MLflow; `runs` and `contents` fetch what a
comparison of runs is made of, and `sections` is its page.
"""
