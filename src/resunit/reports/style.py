"""The looks that all figures share. The page's style sheet colours text, grid and background."""

# The same fonts as in page.css, because plotly measures texts before the style sheet reaches them.
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

BLUE = "#3b7dc4"
ORANGE = "#e07b28"
GREY = "#808890"
