"""Operations that networks compute with: fused batch norm, activation checkpointing, C++ kernels."""
