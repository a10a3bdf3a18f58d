"""Speed and memory beside the peers, measured in one run on one machine; ratios are what counts."""
