//! Curves as SVG.

use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

use harness::Error;

const SIZE: (u32, u32) = (720, 420);

/// One line of the picture.
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

pub struct Plot<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    /// Powers of ten along the bottom.
    pub logarithmic: bool,
    pub series: &'a [Series],
}

impl Plot<'_> {
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let points = || self.series.iter().flat_map(|series| series.points.iter());
        let (left, right) = bounds(points().map(|p| p.0));
        let (_, top) = bounds(points().map(|p| p.1));
        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(plot_error)?;
        if self.logarithmic {
            self.draw(&area, (left..right).log_scale(), top)?;
        } else {
            self.draw(&area, 0.0..right, top)?;
        }
        area.present().map_err(plot_error)
    }

    fn draw<X>(
        &self,
        area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
        x: X,
        top: f64,
    ) -> Result<(), Error>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
    {
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(60)
            .build_cartesian_2d(x, 0.0..top * 1.1)
            .map_err(plot_error)?;
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .light_line_style(WHITE)
            .draw()
            .map_err(plot_error)?;
        for (index, series) in self.series.iter().enumerate() {
            let points = series.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite());
            let color = Palette99::pick(index).to_rgba();
            chart
                .draw_series(LineSeries::new(points, color.stroke_width(2)).point_size(3))
                .map_err(plot_error)?
                .label(series.name.as_str())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()
            .map_err(plot_error)
    }
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.filter(|v| v.is_finite()).fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    if low < high { (low, high) } else { (0.1, if high > 0.0 { high } else { 1.0 }) }
}

fn plot_error(error: impl std::fmt::Display) -> Error {
    Error::Plot(error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_curve_is_written() {
        let path = tempfile::NamedTempFile::with_suffix(".svg").unwrap();
        let series = [Series { name: "p99".to_owned(), points: vec![(1e3, 1.0), (1e6, 1.1)] }];
        for logarithmic in [false, true] {
            let plot = Plot { title: "cost over rows", x: "rows", y: "us", logarithmic, series: &series };
            plot.write(path.path()).unwrap();
            let svg = std::fs::read_to_string(path.path()).unwrap();
            assert!(svg.contains("<svg") && svg.contains("cost over rows"));
        }
    }
}
