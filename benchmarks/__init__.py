"""Speed against what a user would use instead: ratios measured in one run on one machine."""
