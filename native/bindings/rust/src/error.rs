//! A status as a `Result`, as baracuda-kernels' plan maps it; what CUDA said keeps its number.
use crate::baracuda_last_error_message;
use std::ffi::CStr;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    MisalignedOperand(String),
    InvalidProblem(String),
    Unsupported(String),
    WorkspaceTooSmall(String),
    BufferTooSmall(String),
    Cuda(i32, String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::MisalignedOperand(message) => write!(f, "misaligned operand: {message}"),
            Error::InvalidProblem(message) => write!(f, "invalid problem: {message}"),
            Error::Unsupported(message) => write!(f, "unsupported: {message}"),
            Error::WorkspaceTooSmall(message) => write!(f, "workspace too small: {message}"),
            Error::BufferTooSmall(message) => write!(f, "buffer too small: {message}"),
            Error::Cuda(error, message) => write!(f, "CUDA error {error}: {message}"),
        }
    }
}

impl std::error::Error for Error {}

/// What a function returned; to be asked by the thread that called it, before its next call: the message is that thread's.
pub fn check(status: i32) -> Result<(), Error> {
    let message = || {
        unsafe { CStr::from_ptr(baracuda_last_error_message()) }
            .to_string_lossy()
            .into_owned()
    };
    match status {
        0 => Ok(()),
        1 => Err(Error::MisalignedOperand(message())),
        2 => Err(Error::InvalidProblem(message())),
        3 => Err(Error::Unsupported(message())),
        4 => Err(Error::WorkspaceTooSmall(message())),
        5 => Err(Error::BufferTooSmall(message())),
        other => Err(Error::Cuda(other - 1000, message())),
    }
}
