import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Filesystems that are mounted while the daemon runs, or where it cannot see them.
    @Suite("mounts")
    struct MountSuite {
        private static let count = 23

        /// A tmpfs of a mount namespace of its own: every open is recorded under a path of that namespace, which is none of
        /// the host's; and the filesystem goes with its namespace.
        @Test(.timeLimit(.minutes(1)), arguments: [true, false])
        func aPrivateFilesystem(isThereBefore: Bool) throws {
            let bench = try Bench()
            let stage = try PrivateStage(bench.files.folder("volume"), bench.folder)
            var daemon: DaemonUnderTest? = isThereBefore ? nil : bench.daemon
            let inner = """
                mount -t tmpfs retinue-private \(stage.point) && mkdir \(stage.point)/deep && \(stage.stop("mounted"))
                n=0; while [ $n -lt \(Self.count) ]; do read x < \(stage.point)/deep/f || :; n=$((n + 1)); done
                echo x > \(stage.point)/deep/f; cp /usr/bin/true \(stage.point)/deep/prog; \(stage.point)/deep/prog
                \(stage.stop("done"))
                """
            let other = try stage.start(inner)
            try stage.wait(for: "mounted", other)
            if isThereBefore { daemon = try DaemonUnderTest(stateFolder: bench.folder + "/later") }
            let watching = try #require(daemon)
            if !isThereBefore {
                // Between the mount and its mark nothing is reported: a moment, which a gap names.
                let marked: Bool? = try eventually(within: 10, every: 0.2) {
                    try (watching.dump().header.sources["fanotify"]?.filesystemsInNamespaces ?? 0) > 0
                        ? true : nil
                }
                #expect(marked == true)
                let gaps = try watching.dump().gaps.map(\.cause)
                #expect(gaps.contains("new filesystem in another mount namespace"), "\(gaps)")
            }
            try stage.go(from: "mounted")
            try stage.wait(for: "done", other)
            let dump = try watching.dump()
            let records = dump.records(of: stage.group.workload)
            let prefix = "/mnt:" + stage.group.workload.replacingOccurrences(of: "/", with: "%2F")
            let path = prefix + stage.point + "/deep/f"
            let found = records.files(path)
            #expect(found.map(\.program.executable) == ["/usr/bin/dash"], "\(records.map(\.short))")
            #expect(found.first?.evidence == "exact")
            #expect(found.first?.access == "rw")
            #expect(found.first?.mountNamespace == stage.group.workload)
            #expect(found.first?.containerPath == stage.point + "/deep/f")
            let program = prefix + stage.point + "/deep/prog"
            #expect(records.files(program).contains { $0.program.executable == program && $0.access == "x" })
            let ofHost = records.files(stage.point + "/deep/f") + records.files(stage.point + "/deep/prog")
            #expect(ofHost.isEmpty, "no file of the host is meant")
            #expect(dump.header.sources["fanotify"]?.filesystemsElsewhere == 0)

            // Nothing of the daemon's keeps it: its number is free when the namespace has ended.
            let device = try stage.device(of: other)
            other.kill()
            let isFree: Bool? = try eventually(within: 10, every: 0.1) {
                try stage.isFree(device) ? true : nil
            }
            #expect(isFree == true, "\(device) is still there")
            try watching.stop()
        }

        /// Namespaces that have ended before the daemon gets to them: what was opened on their filesystems was seen by nobody, and is
        /// counted, but for one that has the number of a namespace which was met and has ended. One that lives is met.
        @Test(.timeLimit(.minutes(1))) func namespacesThatWereGoneAreCounted() throws {
            let bench = try Bench()
            let point = try bench.files.folder("point")
            let lasting = try Child(["unshare", "--mount", "sleep", "600"])
            func missed() throws -> UInt64? {
                try bench.daemon.dump().header.sources["fanotify"]?.namespacesMissed
            }
            let before = try #require(try missed())
            bench.daemon.process.signal(SIGSTOP)
            let inner = "mount -t tmpfs none \(point) && : > \(point)/f && echo there && read x"
            let stages = try (0..<3).map { _ in try Child(["unshare", "--mount", "sh", "-c", inner]) }
            // Each has its namespace before the first one's number is free.
            for stage in stages { #expect(try stage.firstLine() == "there") }
            stages.forEach { $0.kill() }
            bench.daemon.process.signal(SIGCONT)
            let isCounted: Bool? = try eventually(within: 10, every: 0.2) {
                try missed().map { $0 > before } == true ? true : nil
            }
            let counted = try #require(try missed())
            #expect(isCounted == true && counted <= before + 3, "\(counted) after \(before)")
            lasting.kill()
            try bench.daemon.stop()
        }

        /// As a runtime starts a container: its own root, and in it a volume of its own that is mounted before the program
        /// starts.
        @Test(.timeLimit(.minutes(1)))
        func aContainer() throws {
            let bench = try Bench()
            let root = try bench.files.folder("root")
            for name in ["usr", "old", "data", "dev", "host"] { try makeFolder(root + "/" + name) }
            for link in ["bin", "lib", "lib64"] {
                try FileManager.default.createSymbolicLink(
                    atPath: root + "/" + link, withDestinationPath: "usr/" + link)
            }
            let stage = try PrivateStage(root + "/data", bench.folder)
            let inner = """
                mount --bind \(root) \(root) && mount --bind /usr \(root)/usr && mount -t tmpfs data \(root)/data
                mount --bind \(bench.folder) \(root)/host
                mkdir \(root)/data/db; cd \(root); pivot_root . old; exec /usr/bin/dash -c '\(stage.stop("in", "/host"))
                n=0; while [ $n -lt \(Self.count) ]; do /usr/bin/touch /data/db/f$n; n=$((n + 1)); done; \(stage.stop("done", "/host"))'
                """
            let container = try stage.start(inner)
            try stage.wait(for: "in", container)
            // The exec that has just been has led the daemon here; how long it takes to the mark is another test's.
            usleep(500_000)
            try stage.go(from: "in")
            try stage.wait(for: "done", container)
            let dump = try bench.daemon.dump()
            let records = dump.records(of: stage.group.workload)
            let ofVolume = dump.dependencies.relation("file").filter {
                $0.containerPath?.hasPrefix("/data/db/f") == true
            }
            let written = ofVolume.filter { $0.program.executable == "/usr/bin/touch" }
            #expect(written.count == Self.count, "\(ofVolume.map(\.short)) \(dump.header.sources)")
            #expect(ofVolume.count == Self.count)
            let others = written.filter { $0.evidence != "exact" || $0.count != 1 || $0.access != "rw" }
            #expect(
                others.isEmpty,
                "\(others.map { "\($0.short) \($0.evidence) \($0.count) \($0.access ?? "")" })")
            #expect(written.allSatisfy { $0.mountNamespace == stage.group.workload })
            #expect(records.allSatisfy { $0.exactPath?.hasPrefix("/data/") != true }, "none is the host's")
            container.kill()
            try bench.daemon.stop()
        }

        /// A filesystem that is mounted and used at once: what is missed lies in a gap with its span, and what is still open
        /// is found by the scan that follows. A device number that comes again is no filesystem that is watched.
        @Test(.timeLimit(.minutes(2)))
        func theTimeBeforeTheMark() throws {
            let bench = try Bench()
            let group = try ControlGroup()
            let folder = try bench.files.folder("rounds")
            let script = """
                mkdir \(folder)/m
                for i in $(seq \(Self.count)); do
                    mount -t tmpfs round \(folder)/m; echo x > \(folder)/m/f$i; sleep 0.05
                    read x < \(folder)/m/f$i; umount -l \(folder)/m
                done
                """
            try run(group.command(["bash", "-c", script]))
            let dump = try bench.daemon.dump()
            let paths = Set(dump.records(of: group.workload).relation("file").compactMap(\.exactPath))
            let found = (1...Self.count).filter { paths.contains("\(folder)/m/f\($0)") }
            #expect(found.count == Self.count, "50 ms after the mount each is watched: \(found)")
            let gaps = dump.gaps.filter { $0.cause == "new filesystem" }
            #expect(!gaps.isEmpty, "\(dump.gaps)")
            #expect(gaps.allSatisfy { $0.from < $0.to })
            // Held open since before the mark, if it was: the scan has it.
            let held = "mount -t tmpfs held \(folder)/m; exec 9> \(folder)/m/held; echo held; exec sleep 1000"
            let holder = try Child(group.command(["bash", "-c", held]))
            _ = try holder.firstLine()
            let record: Dump.Dependency? = try eventually(within: 20, every: 0.5) {
                try bench.daemon.dump().records(of: group.workload).files(folder + "/m/held")
                    .first { $0.access == "rw" }
            }
            #expect(record?.access == "rw")
            holder.kill()
            try run(["umount", "-l", folder + "/m"])
            try bench.daemon.stop()
        }
    }
}

/// A process in a mount namespace of its own that stops where it is told to.
private final class PrivateStage {
    let point: String
    let group: ControlGroup
    private let signs: String

    /// - Parameter signs: a folder in which it says how far it is, and is told to go on.
    init(_ point: String, _ signs: String) throws {
        self.point = point
        self.signs = signs
        group = try ControlGroup()
        try? makeFolder(point)
    }

    func start(_ script: String) throws -> Child {
        try Child(group.command(["unshare", "-m", "--propagation", "private", "dash", "-c", script]))
    }

    /// Shell commands that say how far it is and wait.
    func stop(_ name: String, _ signs: String? = nil) -> String {
        let place = (signs ?? self.signs) + "/" + name
        return ": > \(place); until [ -e \(place)-go ]; do sleep 0.05; done"
    }

    func wait(for name: String, _ child: Child) throws {
        let isThere: Bool? = eventually(within: 20, every: 0.05) {
            access(signs + "/" + name, F_OK) == 0 ? true : nil
        }
        guard isThere == true else { throw Failure("not \(name): \(child.errorText)") }
    }

    func go(from name: String) throws { try write("", to: signs + "/\(name)-go") }

    func device(of child: Child) throws -> String {
        let table = try String(contentsOfFile: "/proc/\(child.pid)/mountinfo", encoding: .utf8)
        let line = table.split(separator: "\n").first { $0.contains(" \(point) ") }
        return try #require(line.map { String($0.split(separator: " ")[2]) })
    }

    /// Whether the kernel gives a device number again: it does as soon as a filesystem in memory is gone.
    func isFree(_ device: String) throws -> Bool {
        for entry in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int(entry) != nil {
            let table = (try? String(contentsOfFile: "/proc/\(entry)/mountinfo", encoding: .utf8)) ?? ""
            if table.split(separator: "\n").contains(where: { $0.split(separator: " ")[2] == device }) {
                return false
            }
        }
        let probe = point + "-probe"
        try makeFolder(probe)
        defer { rmdir(probe) }
        try run(["mount", "-t", "tmpfs", "probe", probe])
        defer { umount2(probe, 0) }
        var status = stat()
        stat(probe, &status)
        let given = "\(status.st_dev >> 8 & 0xfff):\(status.st_dev & 0xff | status.st_dev >> 12 & 0xfff00)"
        return given == device || numbers(given) > numbers(device)
    }

    private func numbers(_ device: String) -> Int { Int(device.split(separator: ":")[1]) ?? 0 }
}
