//! A table as it is printed.

use crate::sample::Sample;

/// The columns of a table of times.
pub(crate) const MILLISECONDS: [&str; 6] = ["milliseconds", "p50", "p90", "p99", "n", "budget"];

/// Rows under a head; the first column says what, the last what it may be.
pub(crate) struct Table {
    title: String,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(title: &str, head: &[&str]) -> Self {
        Self { title: title.to_owned(), rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, cells: &[&str]) {
        assert_eq!(cells.len(), self.rows[0].len(), "a row of another table: {cells:?}");
        self.rows.push(cells.iter().map(|&cell| cell.to_owned()).collect());
    }

    /// A row of a table of [`MILLISECONDS`].
    pub(crate) fn times(&mut self, what: &str, times: &Sample, budget: &str) {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| format!("{:.2}", times.at(share)));
        self.row(&[what, &p50, &p90, &p99, &times.len().to_string(), budget]);
    }

    pub(crate) fn print(&self) {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap();
        let last = self.rows[0].len() - 1;
        println!("\n{}\n", self.title);
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row.iter().enumerate().map(|(column, cell)| {
                let width = width(column);
                if column == 0 || column == last { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
            if index == 0 {
                println!("|{}|", (0..=last).map(|column| "-".repeat(width(column) + 2)).collect::<Vec<_>>().join("|"));
            }
        }
    }
}
