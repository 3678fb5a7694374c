"""An SVG by hand: CPU a delivery and p99 against load, a line for each subject and shape."""
import math

from .table import median, shape

WIDTH, HEIGHT, LEFT, TOP, GAP = 420, 300, 60, 40, 90
COLOURS = ["#0b6e4f", "#c1440e", "#2b59c3", "#7a4f9a", "#8a6d00", "#444444"]
DASHES = ["", "6 3", "2 3"]


def _points(rows, subject, key):
    return [(row["rate"], median(row["subjects"].get(subject), key)) for row in rows
            if median(row["subjects"].get(subject), key)]


def _series(rows, subjects, key):
    shapes = []
    for row in rows:
        if shape(row) not in shapes:
            shapes.append(shape(row))
    for s, subject in enumerate(subjects):
        for i, name in enumerate(shapes):
            points = _points([r for r in rows if shape(r) == name], subject, key)
            if points:
                yield f"{subject}: {name}", points, COLOURS[s % 6], DASHES[i % 3]
    if key == "cpu_us_per_delivery":
        points = [(r["rate"], median(r["floor"], key)) for r in rows if shape(r) == shapes[0]]
        if all(y for _, y in points):
            yield f"floor: {shapes[0]}", points, "#999999", ""


class Panel:
    """One diagram: both axes logarithmic, since loads and latencies span decades."""

    def __init__(self, index, title, series):
        self.series = list(series)
        self.x0 = LEFT + index * (WIDTH + GAP)
        self.title = title
        xs = [x for _, points, _, _ in self.series for x, _ in points] or [1]
        ys = [y for _, points, _, _ in self.series for _, y in points] or [1]
        self.x_range = math.log10(min(xs)), math.log10(max(xs) * 1.001)
        self.y_range = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys) * 1.001))

    def at(self, x, y):
        def place(value, low_high):
            low, high = low_high
            return (math.log10(value) - low) / ((high - low) or 1)
        return (self.x0 + place(x, self.x_range) * WIDTH,
                TOP + HEIGHT - place(y, self.y_range) * HEIGHT)

    def _axes(self):
        yield (f'<rect x="{self.x0}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" '
               f'stroke="#888"/><text x="{self.x0}" y="{TOP - 12}" font-weight="bold">'
               f'{self.title}</text>')
        for decade in range(self.y_range[0], self.y_range[1] + 1):
            _, y = self.at(10 ** self.x_range[0], 10 ** decade)
            yield (f'<line x1="{self.x0}" x2="{self.x0 + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" '
                   f'stroke="#ddd"/><text x="{self.x0 - 8}" y="{y + 4:.1f}" '
                   f'text-anchor="end">{10 ** decade:g}</text>')
        for load in sorted({x for _, points, _, _ in self.series for x, _ in points}):
            x, _ = self.at(load, 10 ** self.y_range[0])
            yield f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{load:,}</text>'
        yield (f'<text x="{self.x0 + WIDTH / 2}" y="{TOP + HEIGHT + 36}" text-anchor="middle">'
               'deliveries/s offered</text>')

    def draw(self):
        yield from self._axes()
        for _, points, colour, dash in self.series:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*p) for p in points))
            yield (f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" '
                   f'stroke-dasharray="{dash}"/>')
            for x, y in (self.at(*p) for p in points):
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'


def _legend(series):
    for i, (name, _, colour, dash) in enumerate(series):
        x, y = LEFT + (i % 3) * 300, TOP + HEIGHT + 66 + (i // 3) * 18
        yield (f'<line x1="{x}" x2="{x + 30}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}" '
               f'stroke-width="2" stroke-dasharray="{dash}"/><text x="{x + 36}" y="{y}">{name}</text>')


def render(rows, subjects):
    panels = [Panel(0, "CPU µs a delivery", _series(rows, subjects, "cpu_us_per_delivery")),
              Panel(1, "p99 latency, ms", _series(rows, subjects, "p99_ms"))]
    width = LEFT + 2 * WIDTH + GAP + 20
    height = TOP + HEIGHT + 80 + 18 * ((len(panels[0].series) + 2) // 3)
    body = [line for panel in panels for line in panel.draw()] + list(_legend(panels[0].series))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" '
            'fill="white"/>' + "\n".join(body) + "</svg>\n")
