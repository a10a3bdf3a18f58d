"""Residual units drawn from their module objects, as Figs. 2, 4 and 5 of He et al. 2016 draw them."""

from resunit.models.drawing.draw import draw, draw_designs, render_unit

__all__ = ["draw", "draw_designs", "render_unit"]
