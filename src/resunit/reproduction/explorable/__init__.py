"""The explorable page: the paper's formulas with sliders, beside curves of networks that were measured."""
