"""Training runs side by side: a leaderboard a label, paired differences, one page."""
