"""Operations that networks compute with: batch norm with its activation, activation checkpointing, C++ kernels."""
