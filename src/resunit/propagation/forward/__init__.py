"""One forward pass of any network: its inputs, its loss, its calls, and the state that it must not change."""
