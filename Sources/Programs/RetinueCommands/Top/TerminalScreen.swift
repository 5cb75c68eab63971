import CLinux
import Glibc
import SystemCalls

/// The whole screen of a terminal, taken for a while and given back on every way out.
///
/// The alternate screen, without a cursor and without the wrapping of lines, of which each is put at its place: a character that
/// the terminal thinks wider than we do disturbs no other line. Keys come one by one and are not shown.
final class TerminalScreen {
    private static let enter = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l\u{1b}[H\u{1b}[2J"
    private static let leave = "\u{1b}[0m\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l"

    private let palette: Bool
    /// The lines that the terminal shows.
    private var shown: [ScreenLine] = []
    private var isTaken = false

    /// Takes the screen.
    ///
    /// - Parameter isPainted: whether there are colours.
    init(isPainted: Bool) throws(Failure) {
        palette = isPainted
        guard tcgetattr(0, &LastScreen.settings) == 0 else {
            throw Failure("standard input is no terminal: \(SystemError.text(of: errno))")
        }
        LastScreen.restoreOnFault(Self.leave)
        try take()
    }

    deinit { giveBack() }

    /// Takes it again after `giveBack`.
    func take() throws(Failure) {
        guard !isTaken else { return }
        var raw = LastScreen.settings
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        raw.c_iflag &= ~tcflag_t(IXON | ICRNL)
        guard tcsetattr(0, TCSAFLUSH, &raw) == 0 else {
            throw Failure("the terminal cannot be set: \(SystemError.text(of: errno))")
        }
        isTaken = true
        LastScreen.isTaken = true
        shown = []
        try write(Self.enter)
    }

    /// Leaves it as it was found.
    func giveBack() {
        guard isTaken else { return }
        isTaken = false
        LastScreen.isTaken = false
        try? write(Self.leave)
        tcsetattr(0, TCSAFLUSH, &LastScreen.settings)
    }

    /// Columns and lines; 80 and 24 where the terminal does not know.
    static var size: (width: Int, height: Int) {
        var size = winsize()
        guard clinux_ioctl_pointer(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (Terminal.defaultWidth, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// The keys that wait; `nil` at the end of the input.
    func keys() -> [TopKey]? {
        var bytes = [UInt8](repeating: 0, count: 1024)
        let count = read(0, &bytes, bytes.count)
        if count < 0 { return errno == EINTR || errno == EAGAIN ? [] : nil }
        return count == 0 ? nil : TopKeys.keys(Array(bytes[..<count]))
    }

    /// Shows lines, of which each has the terminal's width: those that are others than before.
    func show(_ lines: [ScreenLine]) throws(Failure) {
        var text = ""
        for (number, line) in lines.enumerated() where number >= shown.count || shown[number] != line {
            text += "\u{1b}[\(number + 1);1H\u{1b}[2K" + Self.painted(line, palette)
        }
        shown = lines
        if !text.isEmpty { try write(text) }
    }

    /// Whatever the terminal shows is not what was shown last.
    func invalidate() { shown = [] }

    /// A line with its style; names in it are escaped already.
    static func painted(_ line: ScreenLine, _ isPainted: Bool) -> String {
        let begin: String
        switch line.style {
        case .plain: return line.text
        case .title: begin = Palette.Meaning.title.begin
        // Without colours too: it is what the keys are for.
        case .selected, .header: begin = "\u{1b}[7m"
        case .new: begin = isPainted ? Palette.Meaning.good.begin : ""
        case .bad: begin = isPainted ? Palette.Meaning.bad.begin : ""
        }
        return begin.isEmpty ? line.text : begin + line.text + Palette.end
    }

    private func write(_ text: String) throws(Failure) {
        do {
            try Output.standard.writePlain(Array(text.utf8))
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure("the terminal is gone")
        }
    }
}

/// What a signal handler needs to give a terminal back where the program faults.
private enum LastScreen {
    nonisolated(unsafe) static var settings = termios()
    nonisolated(unsafe) static var isTaken = false
    private nonisolated(unsafe) static var bytes: UnsafeMutablePointer<CChar>?
    private nonisolated(unsafe) static var count = 0

    /// A trap of the program itself would leave the terminal without echo: these signals end it all the same, and give the terminal
    /// back before.
    static func restoreOnFault(_ text: String) {
        guard bytes == nil else { return }
        count = text.utf8.count
        bytes = strdup(text)
        for number in [SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE] {
            signal(number) { number in
                // Nothing but calls that a handler may make (signal-safety(7)).
                if LastScreen.isTaken {
                    _ = Glibc.write(1, LastScreen.bytes, LastScreen.count)
                    tcsetattr(0, TCSANOW, &LastScreen.settings)
                }
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }
}
