"""The training of a table's runs, here or on a cluster, each in a process of its own."""
