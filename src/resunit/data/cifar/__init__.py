"""CIFAR-10 and CIFAR-100: their facts, sources, containers and storage."""
