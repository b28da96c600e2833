// files.h - writing files so that a crash, a full disk or a second run cannot spoil what is there.
//
// Whole files are written under a temporary name, synced and renamed: a reader sees the old text or
// the new one, never half of it. Logs grow by whole lines. A run directory is always a new one.
// Nothing here writes through a symbolic link that somebody else may have put there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stflow/nn/binary_file.h"

namespace stflow {

/// The whole file. Throws std::runtime_error with the path and the system's reason.
using nn::read_file;
/// Replaces the file in one step. Throws like read_file, and when a symbolic link is in its place.
void write_file(const std::string& path, const std::string& text);
/// Appends `line` and a newline; the line has reached the system when this returns. Throws like
/// write_file.
void append_line(const std::string& path, const std::string& line);

/// Creates a directory and those above it that are missing, or takes the one that is there. Throws
/// std::runtime_error with the system's reason.
void make_directory(const std::string& path);
/// Creates a directory within one that is there, or takes it; a symbolic link to a directory is
/// refused. A run directory that was taken away is not made anew, without its configuration.
void make_own_directory(const std::string& path);
/// Creates the directory `out` for a run, or takes it if it is there and empty; with an empty `out`
/// makes runs/<program>-<date>-<time>, numbered if that is taken. Returns its path. Throws
/// std::runtime_error when `out` has contents or cannot be created.
std::string make_run_directory(const std::string& out, const std::string& program);

/// Takes the lock of the file `path`, which is made if it is not there, until the last copy of what
/// is returned is gone. Empty when another process has it. Processes started meanwhile share the
/// lock if it is `inherited`. Where the file system knows no locks, all succeed. Throws like
/// write_file.
std::shared_ptr<int> take_lock(const std::string& path, bool inherited = false);

/// Runs a command found in PATH inside `directory` and waits; its output replaces the file `log`,
/// if one is named, and Ctrl-C is passed on to it. Returns its exit code, or -1 when there is no
/// such command.
int run_command(const std::vector<std::string>& command, const std::string& directory,
                const std::string& log = "");
/// The same, but for Ctrl-C, for a short command that reads `input` and writes the file `output`,
/// which is replaced in one step when the exit code is 0.
int run_filter(const std::vector<std::string>& command, const std::string& directory,
               const std::string& input, const std::string& output);

/// The time now, in UTC: "2024-03-01T12:30:00Z".
std::string utc_time();

}  // namespace stflow
