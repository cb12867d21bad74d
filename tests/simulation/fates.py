"""What can become of a request, and how often."""

# What can happen to one request, and how often on a day on which everything happens.
WRITE_FATES = {
    "not_sent": 0.03,
    "lost": 0.03,
    "late": 0.03,
    "answer_lost": 0.04,
    "slow": 0.03,
    "error_before": 0.02,
    "error_after": 0.02,
    "unreadable": 0.02,
    "rate_limited": 0.02,
    "refused": 0.03,
    "hung": 0.004,
}
READ_FATES = {
    "not_sent": 0.02,
    "lost": 0.01,
    "slow": 0.02,
    "error_before": 0.03,
    "unreadable": 0.01,
    "rate_limited": 0.02,
    "incomplete": 0.05,
    "stale": 0.05,
    "jumbled": 0.05,
    "hung": 0.002,
}
STREAM_FATES = {"lost": 0.1, "twice": 0.1, "late": 0.1}
