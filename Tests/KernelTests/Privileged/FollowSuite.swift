import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// `retinue watch` and `retinue top` as their users run them: members of the group, without a privilege.
    @Suite("follow")
    final class FollowSuite {
        private static let group = 64_902
        private let folder: String
        private let files: ScratchFilesystem
        private var daemon: DaemonUnderTest?

        init() throws {
            folder = try makeTemporaryFolder()
            files = try ScratchFilesystem(.tmpfs)
            for path in [folder, files.path] { try run(["chmod", "755", path]) }
            try write("root:x:0:\nretinue:x:\(Self.group):\n", to: folder + "/group")
            // Four programs of one text, each of which is one of its own.
            for name in ["watched", "other"] {
                try run(["cp", try workload("opener"), "\(files.path)/\(name)"])
            }
            for name in ["read", "write"] { try makeFolder("\(files.path)/\(name)") }
            for number in 0..<23 { try write("x", to: "\(files.path)/read/\(number)") }
        }

        deinit {
            daemon?.process.kill()
            try? FileManager.default.removeItem(atPath: folder)
        }

        private var socket: String { folder + "/state.sock" }

        /// Starts the daemon, or starts it anew; the group of its socket is in its own view of the machine.
        private func start() throws {
            daemon = try DaemonUnderTest(
                stateFolder: folder + "/state",
                prefix: [
                    "unshare", "--mount", "sh", "-c", "mount --bind \"$0\" /etc/group && exec \"$@\"",
                    folder + "/group",
                ])
        }

        private static func member(_ command: [String], groups: String = "--groups=\(group)") -> [String] {
            ["setpriv", "--reuid=nobody", "--regid=nogroup", groups] + command
        }

        private func retinue(_ words: [String]) throws -> [String] {
            Self.member([try Products.path("retinue")] + words + ["--socket", socket])
        }

        /// The program reads so many files and writes as many others.
        private func use(_ program: String, _ count: Int) throws {
            try run(["\(files.path)/\(program)", "\(count)", files.path])
        }

        private func lines(_ child: Child) -> [String] {
            // The last one may be half there.
            child.outputText.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(
                String.init)
        }

        /// What distinguishes a dependency from others, of a line as the daemon writes it.
        private static func name(_ line: String) -> Substring? {
            guard line.hasPrefix(#"{"type":"dependency""#) else { return nil }
            return line.range(of: #""kind":"#).map { line[..<$0.lowerBound] }
                ?? line.range(of: #""change":"#).map { line[..<$0.lowerBound] }
        }

        /// The lines of a program in a dump, by what distinguishes them.
        private func dumped(_ program: String) throws -> [Substring: String] {
            let text = try run(try retinue(["dump"]))
            let start = #""program":{"executable":"\#(files.path)/\#(program)""#
            let lines = text.split(separator: "\n").map(String.init).filter { $0.contains(start) }
            return Dictionary(
                uniqueKeysWithValues: lines.compactMap { line in Self.name(line).map { ($0, line) } })
        }

        /// The last line that a stream has of each dependency.
        private func last(_ lines: [String]) -> [Substring: String] {
            Dictionary(lines.compactMap { line in Self.name(line).map { ($0, line) } }) { $1 }
        }

        /// Every change comes, and none twice, also over a crash and a stop of the daemon.
        @Test(.timeLimit(.minutes(5)))
        func watchMissesNothingAndRepeatsNothing() throws {
            try start()
            let watch = try Child(
                try retinue(["watch", "--program", "watched", "--interval", "0.1", "--scan-interval", "0"]))
            let isBegun: Bool? = eventually { lines(watch).isEmpty ? nil : true }
            #expect(isBegun == true, "\(watch.errorText)")
            func agrees(_ what: Comment) throws {
                var dump: [Substring: String] = [:]
                let same: Bool? = try eventually(within: 60, every: 0.2) {
                    dump = try dumped("watched")
                    return last(lines(watch)) == dump ? true : nil
                }
                #expect(same == true, what)
                #expect(dump.keys.count { $0.contains("\(files.path)/read/") } == 23, what)
                #expect(dump.keys.count { $0.contains("\(files.path)/write/") } == 23, what)
            }
            try use("watched", 23)
            try use("other", 23)
            try agrees("what happened")
            try use("watched", 23)
            try agrees("what changed")
            for number in 0..<2 {
                if number == 0 { daemon?.process.kill() } else { try daemon?.stop() }
                let isAway: Bool? = eventually {
                    lines(watch).count { $0.contains(#""event":"away""#) } == number + 1 ? true : nil
                }
                #expect(isAway == true)
                try start()
                try use("watched", 23)
                try agrees("after the daemon came back")
            }
            let all = lines(watch)
            let repeated = Dictionary(grouping: all) { $0 }.filter { $0.value.count > 1 }.keys
            #expect(repeated.isEmpty, "\(repeated)")
            #expect(
                !all.contains { $0.contains("\(files.path)/other") && !$0.contains(#""relation":"spawn""#) })
            let others = all.filter { !$0.hasPrefix(#"{"type":"dependency""#) }
            let types = ["header", "watch", "gap"]
            #expect(
                others.allSatisfy { line in types.contains { line.hasPrefix(#"{"type":"\#($0)""#) } },
                "\(others)")
            #expect(others.count { $0.contains(#""event":"back""#) } == 2)
            #expect(others.count { $0.hasPrefix(#"{"type":"header""#) } == 3)
            // The daemon's own gap says that it was not running, and no gap of the following is needed.
            #expect(others.contains { $0.contains(#""cause":"not running""#) })
            #expect(!others.contains { $0.contains(#""source":"watch""#) })
            // A signal ends it, between two lines.
            watch.signal(SIGINT)
            #expect(try watch.wait(within: 30) == .killed(signal: SIGINT))
            #expect(watch.outputText.hasSuffix("\n") && watch.errorText.isEmpty, "\(watch.errorText)")
            try daemon?.stop()
        }

        @Test(.timeLimit(.minutes(2)))
        func watchOnceIsTheDumpAndEndsWithItsReader() throws {
            try start()
            try use("watched", 23)
            let once = try run(try retinue(["watch", "--once", "--program", "watched"]))
            let lines = once.split(separator: "\n").map(String.init)
            #expect(try last(lines) == dumped("watched"))
            // Later than the number in its header nothing has changed of it.
            let header = try #require(lines.first)
            let start = try #require(header.range(of: #""current":"#)?.upperBound)
            let number = String(header[start...].prefix { $0.isNumber })
            let later = try run(try retinue(["watch", "--once", "--program", "watched", "--after", number]))
            #expect(later.split(separator: "\n").count == 1, "\(later)")
            // Whoever is not in the group gets nothing.
            let other = try Child(
                Self.member(
                    [try Products.path("retinue"), "watch", "--socket", socket], groups: "--clear-groups"))
            #expect(try other.wait() != .exited(0))
            #expect(other.outputText.isEmpty && !other.errorText.isEmpty)
            // A reader that leaves while nothing happens.
            let command = try retinue(["watch", "--scan-interval", "0", "--program", "nothing"])
            let piped = try Child(
                ["sh", "-c", #"(env "$@"; echo status $? >&2) | head -n 1"#, "sh"] + command)
            try piped.succeed(within: 60)
            #expect(piped.errorText == "status 0\n" && piped.outputText.hasPrefix(#"{"type":"header""#))
            try daemon?.stop()
        }

        // MARK: top

        /// A terminal of its own, in which a shell runs the program between two looks at the terminal's settings.
        private final class Screen {
            private let name = "retinue-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
            private let folder: String
            private let place: String

            init(_ command: [String], folder: String, width: Int = 80, height: Int = 24) throws {
                self.folder = folder
                place = folder + "/screen-\(UInt32.random(in: 0...UInt32.max))"
                try makeFolder(place)
                try run(["chown", "nobody", place])
                let script =
                    "trap : INT; stty -g > \(place)/before; echo here before; \"$@\"; echo status $?; "
                    + "stty -g > \(place)/after; exec sleep 600"
                try tmux(
                    ["new-session", "-d", "-x", "\(width)", "-y", "\(height)", "sh", "-c", script, "sh"]
                        + command)
            }

            deinit { _ = try? tmux(["kill-server"]) }

            @discardableResult
            func tmux(_ words: [String]) throws -> String {
                var environment = Child.environment
                environment["TMUX_TMPDIR"] = place
                environment["LC_ALL"] = "C.UTF-8"
                return try run(
                    FollowSuite.member(["tmux", "-L", name, "-f", "/dev/null"] + words),
                    environment: environment)
            }

            func press(_ keys: String...) throws { try tmux(["send-keys"] + keys) }

            /// The lines on the screen, without blanks at their ends.
            func lines() throws -> [String] {
                try tmux(["capture-pane", "-p"]).split(separator: "\n", omittingEmptySubsequences: false)
                    .dropLast().map(String.init)
            }

            /// The screen for a failure's message.
            var text: String { ((try? lines()) ?? []).joined(separator: "\n") }

            func shows(_ isMeant: ([String]) -> Bool) throws -> Bool {
                let found: Bool? = try eventually(within: 60, every: 0.1) {
                    isMeant(try lines()) ? true : nil
                }
                return found == true
            }

            var isAlternate: Bool {
                get throws { try tmux(["display-message", "-p", "#{alternate_on}#{cursor_flag}"]) == "10\n" }
            }

            /// The process that has this command, below the shell of the screen.
            func pid() throws -> pid_t {
                let shell = try tmux(["display-message", "-p", "#{pane_pid}"]).dropLast()
                let children = try String(
                    contentsOfFile: "/proc/\(shell)/task/\(shell)/children", encoding: .utf8)
                guard let pid = children.split(separator: " ").first.flatMap({ pid_t($0) }) else {
                    throw Failure("the shell runs nothing")
                }
                return pid
            }

            /// Waits until the program has ended, and says how, and whether the terminal is as before.
            func end() throws -> (status: String?, isRestored: Bool) {
                guard try shows({ $0.contains { $0.hasPrefix("status ") } }) else { return (nil, false) }
                let both: [String]? = eventually {
                    let texts = ["before", "after"].compactMap {
                        try? String(contentsOfFile: "\(place)/\($0)", encoding: .utf8)
                    }
                    return texts.count == 2 && !texts[1].isEmpty ? texts : nil
                }
                let shown = try lines()
                // What was there before may have scrolled away where the window was small.
                let all = try tmux(["capture-pane", "-p", "-S", "-"])
                let isRestored = try both?[0] == both?[1] && !isAlternate && all.contains("here before\n")
                return (shown.first { $0.hasPrefix("status ") }, isRestored)
            }
        }

        private func open(_ words: [String], width: Int = 80, height: Int = 24) throws -> Screen {
            try Screen(
                [try Products.path("retinue"), "top", "--socket", socket, "--interval", "0.2"] + words,
                folder: folder, width: width, height: height)
        }

        /// The cells of a program's row by what a dump says of it: opens, connections, records.
        private func cells(_ program: String) throws -> [String] {
            let lines = try dumped(program).values
            let opens = lines.filter { $0.contains(#""relation":"file""#) }.compactMap { line in
                line.range(of: #""count":"#).flatMap { Int(line[$0.upperBound...].prefix { $0.isNumber }) }
            }
            return ["\(opens.reduce(0, +))", "0", "\(lines.count)", "\(lines.count)", "0"]
        }

        @Test(.timeLimit(.minutes(4)))
        func topShowsWhatADumpHas() throws {
            try start()
            try use("watched", 23)
            // What --once prints, without a terminal.
            let once = try run(try retinue(["top", "--once", "--filter", "WATCHED"]))
            let rows = once.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            #expect(rows.first == ["PROGRAM", "WORKLOAD", "OPENS", "CONNS", "RECORDS", "NEW", "LOST"])
            let row = try #require(rows.dropFirst().first)
            #expect(rows.count == 2 && row[0] == "\(files.path)/watched")
            #expect(try Array(row.suffix(5)) == cells("watched"))
            #expect(try #require(Int(row[4])) >= 46)

            let screen = try open(["--sort", "opens"])
            #expect(try screen.shows { $0.first?.contains(" records of ") == true })
            #expect(try screen.isAlternate)
            try screen.press("/", "watch", "ed", "Enter")
            let wanted = try cells("watched")
            func shownRow(_ lines: [String]) -> [String] {
                lines.first { $0.contains("/watched ") }.map {
                    $0.split(separator: " ").suffix(5).map(String.init)
                }
                    ?? []
            }
            #expect(try screen.shows { shownRow($0) == wanted }, "\(screen.text), not \(wanted)")
            let lines = try screen.lines()
            #expect(lines.count == 24 && lines.filter { $0.contains("/watched ") }.count == 1)
            #expect(lines.last?.hasPrefix("q quit  h help  s sort (opens)") == true)
            #expect(lines.allSatisfy { $0.count <= 80 })

            // Into the program: what it comes to use stands first, as it happens.
            try screen.press("Enter")
            #expect(
                try screen.shows {
                    $0.dropFirst().first?.contains("/watched") == true && $0[1].hasPrefix("/")
                })
            try write("x", to: files.path + "/read/23")
            try use("watched", 24)
            #expect(
                try screen.shows { lines in
                    let top = lines.dropFirst(2).prefix(2).joined()
                    return top.contains("\(files.path)/read/23 ") && top.contains("\(files.path)/write/23 ")
                        && lines[2].hasPrefix("+ ")
                }, "\(screen.text)")
            try screen.press("Escape")

            // Other windows, down to very small ones.
            for (width, height) in [(40, 6), (20, 3), (5, 2), (120, 10)] {
                try screen.tmux(["resize-window", "-x", "\(width)", "-y", "\(height)"])
                #expect(
                    try screen.shows { lines in
                        lines.count == height
                            && lines[0].hasPrefix(String("retinue 00:00:00".prefix(min(width - 1, 7))))
                            && lines.allSatisfy { $0.count <= width }
                    }, "\(screen.text)")
            }
            #expect(try screen.shows { shownRow($0).count == 5 })

            // The daemon goes away and comes back.
            try daemon?.stop()
            #expect(
                try screen.shows {
                    $0.dropFirst().first?.hasPrefix("no answer: no retinued answers") == true
                },
                "\(screen.text)")
            try start()
            try use("watched", 24)
            let later = try cells("watched").prefix(3)
            #expect(
                try screen.shows { shownRow($0).prefix(3) == later && !$0[1].hasPrefix("no answer") },
                "\(screen.text)")
            try screen.press("q")
            let end = try screen.end()
            #expect(end.status == "status 0" && end.isRestored, "\(screen.text)")
            try daemon?.stop()
        }

        /// A file's name cannot steer the terminal, on the screen either.
        @Test(.timeLimit(.minutes(2)))
        func topEscapesNames() throws {
            try start()
            let name = "evil\u{1b}[2J\u{1b}]0;owned\u{7}\n\u{202e}漢字"
            try run(["cp", "/bin/true", "\(files.path)/\(name)"])
            try run(["\(files.path)/\(name)"])
            let screen = try open(["--filter", "evil"], width: 120)
            #expect(
                try screen.shows { lines in
                    lines.count == 24
                        && lines.contains { $0.contains(#"/evil\x1b[2J\x1b]0;owned\x07\n\u{202e}漢字 "#) }
                }, "\(screen.text)")
            #expect(try screen.tmux(["display-message", "-p", "#{pane_title}"]) != "owned\n")
            try screen.press("q")
            #expect(try screen.end().isRestored)
            try daemon?.stop()
        }

        /// Signals that end it, faults of its own, and a stop give the terminal back.
        @Test(.timeLimit(.minutes(4)))
        func topGivesTheTerminalBack() throws {
            try start()
            for (signal, status) in [
                (SIGTERM, 143), (SIGINT, 130), (SIGHUP, 129), (SIGSEGV, 139), (SIGABRT, 134),
            ] {
                let screen = try open([])
                #expect(try screen.shows { $0.first?.contains(" records of ") == true })
                kill(try screen.pid(), signal)
                let end = try screen.end()
                #expect(
                    end.status == "status \(status)" && end.isRestored, "\(signal): \(screen.text)")
            }
            // Ctrl-C is a signal of the terminal; Ctrl-Z stops it, and it goes on where it was.
            let screen = try open([])
            #expect(try screen.shows { $0.first?.contains(" records of ") == true })
            let pid = try screen.pid()
            kill(pid, SIGTSTP)
            let isBack: Bool? = try eventually { try screen.isAlternate ? nil : true }
            let before = try screen.lines()
            #expect(isBack == true && before.first == "here before")
            kill(pid, SIGCONT)
            #expect(try screen.shows { $0.first?.contains(" records of ") == true })
            #expect(try screen.isAlternate)
            try screen.press("C-c")
            let end = try screen.end()
            #expect(end.status == "status 130" && end.isRestored)
            try daemon?.stop()
        }
    }
}
