import CLinux
import Glibc
import SystemCalls
import Text

/// CRIU of this host, 4.2 or later: from `/opt/criu`, a tree with its own libraries, else the host's own.
struct Criu {
    /// The root of the tree that it and its libraries lie in.
    let tree: String
    private let loader: String

    static let cure =
        "CRIU 4.2 or later is needed: install the package criu, or lay a tree with it at /opt/criu"

    /// - Throws: that there is none.
    init() throws(MoveError) {
        for tree in ["/opt/criu", "/"] where access(tree + "/usr/sbin/criu", X_OK) == 0 {
            for loader in [
                "/usr/lib64/ld-linux-x86-64.so.2", "/lib64/ld-linux-x86-64.so.2",
                "/usr/lib/ld-linux-aarch64.so.1", "/lib/ld-linux-aarch64.so.1",
            ] where access(tree + loader, X_OK) == 0 {
                (self.tree, self.loader) = (tree, loader)
                return
            }
        }
        throw MoveError("no criu here. \(Self.cure)")
    }

    /// What its program file is at this moment.
    var identity: String {
        var status = stat()
        stat(tree + "/usr/sbin/criu", &status)
        return "\(tree) \(status.st_dev) \(status.st_ino) \(status.st_size) \(status.st_mtim.tv_sec)"
    }

    /// What runs it, where its tree is found at another place. By its own loader, so that its libraries are its tree's.
    func words(below place: String, _ more: [String]) -> [String] {
        let libraries = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64"]
            .map { place + $0 }.joined(separator: ":")
        return [place + loader, "--library-path", libraries, place + "/usr/sbin/criu"] + more
    }

    /// - Throws: that it is older than 4.2, which refuses every socket from Linux 6.16 on.
    func needVersion() throws(MoveError) {
        let said = try Tool.run(words(below: tree, ["--version"]), seconds: 10).output
        let numbers =
            said.split(separator: "\n").first { $0.hasPrefix("Version: ") }?
            .dropFirst(9).split(separator: ".").compactMap { Int($0) } ?? []
        guard numbers.count >= 2, (numbers[0], numbers[1]) >= (4, 2) else {
            throw MoveError(
                "criu here is \(said.split(separator: "\n").first ?? "of no version"). \(Self.cure)")
        }
    }

    /// - Throws: that this kernel has not what processes need whose memory comes once they run (userfaultfd(2), Linux 4.11).
    func needFetching() throws(MoveError) {
        let outcome = try Tool.run(words(below: tree, ["check", "--feature", "uffd-noncoop"]), seconds: 10)
        guard outcome.status == 0 else {
            throw MoveError(
                "memory cannot be fetched here (criu check --feature uffd-noncoop): leave --memory fetched out"
            )
        }
    }

    /// The errors that its log ends with. That it cannot raise its own limit of descriptors it says always, and goes on.
    static func errors(_ log: String) -> String {
        let bytes = (try? FileDescriptor.open(log, O_RDONLY))?.bytes ?? []
        let lines = bytes.split(separator: UInt8(ascii: "\n")).map { Printable.text(Array($0)) }
        return lines.filter { $0.contains("Error") && !$0.contains("RLIMIT_NOFILE") }.suffix(3).joined(
            separator: "; ")
    }
}
