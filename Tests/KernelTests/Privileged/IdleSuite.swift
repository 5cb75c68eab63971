import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// What the daemon costs while nothing happens.
    @Suite("idle")
    struct IdleSuite {
        private struct Use: Equatable {
            var switches = 0
            var ticks = 0
        }

        @Test(.timeLimit(.minutes(3)))
        func nothingHappensWhenNothingHappens() throws {
            try withTemporaryFolder { folder in
                let daemon = try DaemonUnderTest(stateFolder: folder + "/state")
                let pid = daemon.process.pid
                let ready = Double(daemon.readyAfter) / 1e6
                // What is new is stored at most 5 s later; after that there is nothing left to do.
                pause(seconds: 6)
                let from = Self.now()
                var windows: [Use] = []
                for _ in 0..<5 {
                    let before = try Self.use(pid)
                    pause(seconds: 10)
                    let after = try Self.use(pid)
                    windows.append(
                        Use(switches: after.switches - before.switches, ticks: after.ticks - before.ticks))
                    if windows.last == Use() { break }
                }
                let resident = try Self.value("VmRSS", of: "/proc/\(pid)/status")
                print(
                    "idle: ready after \(ready) ms; resident \(resident) kB; in windows of 10 s: "
                        + windows.map { "\($0.switches) switches \($0.ticks) ticks" }.joined(separator: ", "))
                // Whatever else happens on the host wakes the daemon by right: one quiet window is proof.
                let others = try windows.contains(Use()) ? [] : Self.active(since: from, in: daemon.dump())
                #expect(windows.contains(Use()), "never quiet; meanwhile there were \(others)")
                // The figures are promised of a release build: a debug build is larger and slower.
                #expect(resident <= (Self.isDebug ? 40_960 : 20_480))
                #expect(ready < 5000)
                try daemon.stop()
            }
        }

        private static var isDebug: Bool {
            #if DEBUG
                true
            #else
                false
            #endif
        }

        /// The time, as dumps write it.
        private static func now() -> String {
            Date.ISO8601FormatStyle(includingFractionalSeconds: true).format(Date())
        }

        /// The programs of which something was recorded since, with what it was last.
        private static func active(since time: String, in dump: Dump) -> [String] {
            let records = dump.dependencies.filter { $0.last >= time }
            return Dictionary(records.map { ($0.program.executable, $0) }, uniquingKeysWith: { $1 })
                .map { "\($0): \($1.relation) \($1.path ?? "")" }.sorted()
        }

        /// Over all threads: context switches of either kind, and clock ticks of CPU.
        private static func use(_ pid: pid_t) throws -> Use {
            var use = Use()
            for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task") {
                let path = "/proc/\(pid)/task/\(thread)"
                use.switches += try value("voluntary_ctxt_switches", of: path + "/status")
                use.switches += try value("nonvoluntary_ctxt_switches", of: path + "/status")
            }
            let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
            // The name stands in brackets and may hold anything: fields count from the last bracket on.
            let fields = stat[stat.lastIndex(of: ")")!...].split(separator: " ")
            use.ticks = (Int(fields[12]) ?? 0) + (Int(fields[13]) ?? 0)
            return use
        }

        private static func value(_ key: String, of path: String) throws -> Int {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let line = text.split(separator: "\n").first { $0.hasPrefix(key + ":") }
            let words = line?.split(whereSeparator: \.isWhitespace) ?? []
            guard words.count > 1, let value = Int(words[1]) else { throw Failure("no \(key) in \(path)") }
            return value
        }
    }
}
