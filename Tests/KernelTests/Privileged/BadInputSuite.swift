import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// What the daemon says when it cannot start: one sentence, exit 1, and nothing was changed.
    @Suite("bad input")
    struct BadInputSuite {
        /// Runs a command that must fail and gives the one line that it says.
        private func complaint(of command: [String]) throws -> String {
            let child = try Child(command)
            let ending = try child.wait(within: 30)
            #expect(ending == .exited(1), "\(child.errorText)")
            let lines = child.errorText.split(separator: "\n").map(String.init)
            #expect(lines.count == 1, "\(lines)")
            #expect(!child.errorText.contains("retinued: ready"))
            return lines.first ?? ""
        }

        @Test func notRoot() throws {
            try withTemporaryFolder { folder in
                chmod(folder, 0o777)
                let retinued = try Unprivileged.copy("retinued", to: folder)
                let state = folder + "/state"
                let line = try complaint(
                    of: Unprivileged.command([retinued, "--state-dir", state, "--socket", state + ".sock"]))
                #expect(line.contains("CAP_SYS_ADMIN") || line.contains("root"), "\(line)")
                #expect(access(state, F_OK) != 0, "nothing was changed")
            }
        }

        /// With some of them missing every call would succeed and the records be incomplete: all are refused.
        @Test(arguments: ["sys_admin", "net_admin", "sys_ptrace", "dac_read_search"])
        func missingCapability(name: String) throws {
            try withTemporaryFolder { folder in
                let state = folder + "/state"
                let line = try complaint(of: Self.without(name) + DaemonUnderTest.command(stateFolder: state))
                #expect(line.contains("CAP_" + name.uppercased()), "\(line)")
                #expect(access(state, F_OK) != 0, "nothing was changed")
            }
        }

        /// The words before a command that take a capability away from root.
        private static func without(_ name: String) -> [String] {
            ["setpriv", "--bounding-set=-\(name)", "--inh-caps=-\(name)"]
        }

        @Test func stateFolderIsAFile() throws {
            try withTemporaryFolder { folder in
                let state = folder + "/state"
                try write("not a folder", to: state)
                let line = try complaint(of: DaemonUnderTest.command(stateFolder: state))
                #expect(line.contains(state), "\(line)")
                let text = try String(contentsOfFile: state, encoding: .utf8)
                #expect(text == "not a folder")
            }
        }

        @Test func stateFolderIsNotWritable() throws {
            let files = try ScratchFilesystem()
            let state = try files.folder("state")
            try run(["mount", "-o", "remount,ro", files.path])
            try withTemporaryFolder { folder in
                let line = try complaint(
                    of: [try Products.path("retinued"), "--state-dir", state, "--socket", folder + "/socket"])
                #expect(line.contains(state) && line.contains("writable"), "\(line)")
            }
            try files.unmount()
        }

        @Test func secondDaemon() throws {
            let bench = try Bench()
            let line = try complaint(
                of: (ShippedUnit.isAsked ? try ShippedUnit.prefix() : []) + [
                    try Products.path("retinued"), "--state-dir", bench.daemon.stateFolder, "--socket",
                    bench.folder + "/other.sock",
                ])
            #expect(line.contains(bench.daemon.stateFolder), "\(line)")
            #expect(line.contains("\(bench.daemon.process.pid)"), "names the other: \(line)")
            // And the first goes on.
            _ = try bench.daemon.dump()
            try bench.daemon.stop()
        }

        @Test(arguments: [
            ("# fine\nfanotify.queue = big\n", 2, "fanotify.queue"), ("dump.keep = 0\n", 1, "dump.keep"),
            ("\n\nno.such.key = 1\n", 3, "no.such.key"), ("dump.keep = 3\ndump.keep = 4\n", 2, "dump.keep"),
            ("nonsense\n", 1, "nonsense"), ("store.interval = 1h\n", 1, "store.interval"),
        ])
        func configurationError(text: String, number: Int, key: String) throws {
            try withTemporaryFolder { folder in
                let state = folder + "/state"
                let line = try complaint(
                    of: DaemonUnderTest.command(stateFolder: state, configuration: text))
                #expect(line.contains(state + ".conf"), "\(line)")
                #expect(line.contains("line \(number)"), "\(line)")
                #expect(line.contains(key), "\(line)")
                #expect(access(state, F_OK) != 0, "nothing was changed")
            }
        }

        @Test(arguments: [["--no-such-option"], ["--state-dir"], ["stray"], ["--config", "/nonexistent/x"]])
        func wrongArguments(arguments: [String]) throws {
            try withTemporaryFolder { folder in
                let state = folder + "/state"
                let line = try complaint(
                    of: DaemonUnderTest.command(stateFolder: state, arguments: arguments))
                #expect(line.contains(arguments.last!), "\(line)")
                #expect(access(state, F_OK) != 0, "nothing was changed")
            }
        }
    }
}
