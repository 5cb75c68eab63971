import ArgumentParser
import Glibc

/// When to colour what people read.
struct ColourOptions: ParsableArguments {
    enum When: String, CaseIterable, ExpressibleByArgument { case auto, always, never }

    @Option(
        name: .customLong("color"),
        help: "Colour what stands out; auto: where a terminal shows it, unless NO_COLOR is set.")
    var when = When.auto

    /// What to paint with where it is written.
    func palette(for output: Output = .standard) -> Palette {
        Palette(
            isOn: Self.isOn(when, isTerminal: output.number == 1 && Terminal.isStandardOutput) { name in
                getenv(name).map { String(cString: $0) }
            })
    }

    /// The rules of no-color.org and bixense.com/clicolors: a word on the command line goes before the environment, and a
    /// variable that is empty is not set.
    static func isOn(_ when: When, isTerminal: Bool, _ variable: (String) -> String?) -> Bool {
        func isSet(_ name: String) -> Bool { variable(name).map { !$0.isEmpty } ?? false }
        switch when {
        case .always: return true
        case .never: return false
        case .auto:
            if isSet("NO_COLOR") { return false }
            if isSet("CLICOLOR_FORCE"), variable("CLICOLOR_FORCE") != "0" { return true }
            return isTerminal && variable("TERM") != "dumb" && variable("CLICOLOR") != "0"
        }
    }
}

/// Paints words for a terminal, by what they mean. Whoever sees no colours misses nothing: the words say the same.
struct Palette {
    /// What stands out, and why. The sixteen colours that a terminal's user has chosen, and none of brightness: they can be
    /// read on dark and on light.
    enum Meaning: String, CaseIterable {
        /// Titles.
        case title = "1"
        /// Less than the rest.
        case aside = "2"
        /// What is wrong or gone.
        case bad = "31"
        /// What is well or new.
        case good = "32"
        /// What asks for care, or has changed.
        case care = "33"
        /// Where to look first.
        case main = "36"

        /// What switches it on, ECMA-48's SGR.
        var begin: String { "\u{1b}[\(rawValue)m" }
    }

    static let end = "\u{1b}[0m"

    let isOn: Bool

    static let none = Palette(isOn: false)

    /// A text as it is, or painted; `nil` leaves it.
    func paint(_ text: String, _ meaning: Meaning?) -> String {
        guard isOn, let meaning, !text.isEmpty else { return text }
        return meaning.begin + text + Self.end
    }
}

extension Output {
    /// Writes text that a palette has painted: on a terminal nothing in it steers that but paint.
    func write(painted text: String) throws {
        guard number == 1, Terminal.isStandardOutput else { return try write(text) }
        let marks = Palette.Meaning.allCases.map(\.begin) + [Palette.end]
        var rest = text[...]
        var out: [UInt8] = []
        while !rest.isEmpty {
            if let mark = marks.first(where: { rest.hasPrefix($0) }) {
                out += Array(mark.utf8)
                rest = rest.dropFirst(mark.count)
                continue
            }
            let next = rest.dropFirst().firstIndex(of: "\u{1b}") ?? rest.endIndex
            let part = Array(rest[..<next].utf8)
            out += part.withUnsafeBytes { Terminal.shown($0) } ?? part
            rest = rest[next...]
        }
        try writePlain(out)
    }
}
