"""Every claim of speed and accuracy, measured beside its peers and printed as ratios."""
