"""Files and text: whole-or-nothing writes, records, tensors, progress bars, pages."""
