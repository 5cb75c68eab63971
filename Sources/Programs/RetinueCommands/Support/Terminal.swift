import CLinux
import Glibc

/// The terminal behind stdout, if there is one.
enum Terminal {
    /// Columns where output is not a terminal, or does not know its own.
    static let defaultWidth = 80

    /// Columns of stdout's terminal.
    static var width: Int {
        var size = winsize()
        guard isatty(1) == 1, clinux_ioctl_pointer(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 20 else {
            return defaultWidth
        }
        return Int(size.ws_col)
    }
}
