//! The `admittance-probe` program: see [`admittance::probe`].

use std::{io::Write, process::ExitCode};

fn main() -> ExitCode {
    let say = |text: &str| {
        // The kubelet shows what is said; where nobody listens there is nothing to do about it.
        let _ = writeln!(std::io::stdout(), "{text}");
    };
    match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => {
            let (text, code) = runtime.block_on(admittance::probe::run(std::env::args_os().skip(1)));
            say(&text);
            code
        }
        Err(error) => {
            say(&format!("cannot start: {error}"));
            ExitCode::FAILURE
        }
    }
}
