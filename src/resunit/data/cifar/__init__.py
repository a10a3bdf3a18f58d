"""CIFAR-10 and CIFAR-100: facts, sources, containers and storage."""
