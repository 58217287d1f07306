"""From a program to LLVM IR: vectors as wide as the processor's registers."""
