"""Pages of the labeling app besides the labeling page itself: stages, tasks, insights."""
