//! Errors of files that are written beside their place before they come there.

use std::io::Error;

/// What the library for such files puts between an error and the path of the file, which nobody has named and which is gone.
const BEFORE_PATH: &str = " at path \"";

/// An error without the path of the file that was to be there for a moment only: whoever reports it names the place that is meant.
pub(crate) fn without_temporary_path(error: Error) -> Error {
    let text = error.to_string();
    match text.split_once(BEFORE_PATH) {
        Some((before, _)) => Error::new(error.kind(), before),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_no_file_that_is_gone() {
        let error = tempfile::NamedTempFile::new_in("/nowhere").unwrap_err();
        assert!(error.to_string().contains(BEFORE_PATH), "{error}");
        let error = without_temporary_path(error);
        assert_eq!(error.to_string(), "No such file or directory (os error 2)");
        let error = without_temporary_path(Error::other("it is another"));
        assert_eq!(error.to_string(), "it is another");
    }
}
