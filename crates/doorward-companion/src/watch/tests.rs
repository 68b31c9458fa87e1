//! Real folders, watched by the real system.

#[cfg(target_os = "linux")]
mod folders;
#[cfg(target_os = "linux")]
mod limits;
mod races;
