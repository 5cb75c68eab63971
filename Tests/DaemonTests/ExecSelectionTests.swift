import Foundation
import TestSupport
import Testing
import TracepointRing

@testable import Daemon

/// Which new images have to be looked at.
@Suite(.serialized) struct ExecSelectionTests {
    private static let urgent = [
        "/bin/sh", "/usr/bin/bash", "/usr/bin/python3.11", "/usr/bin/python",
        "/usr/bin/perl5.36-x86_64-linux-gnu",
        "/usr/bin/awk", "/usr/bin/php8.2", "/usr/lib/jvm/java-17/bin/java", "/usr/lib64/ld-linux-x86-64.so.2",
        "/lib/ld-musl-x86_64.so.1", "/bin/busybox", "/usr/lib/R/bin/exec/R", "/usr/bin/lua5.4",
        "/usr/bin/sh.distrib",
        "/opt/shop/bin/shop", "./true", "true", "", "/usr/bin/../../opt/engine", "/proc/self/exe",
        "/dev/fd/3",
        "/usr/local/bin/true", "/home/a/bin/true",
    ]
    private static let plain = [
        "/bin/true", "/usr/bin/sha256sum", "/usr/bin/Rx", "/sbin/ip", "/usr/sbin/nginx",
        "/usr/lib/gcc/x/12/cc1",
        "/usr/libexec/helper", "/usr/bin/ashok", "/usr/bin/env", "/usr/bin/phpize-no", "/lib64/x",
    ]

    @Test(arguments: urgent) func asksForALook(path: String) {
        #expect(ExecSelection.isUrgent(Array(path.utf8)))
    }

    @Test(arguments: plain) func isKnownByItsFile(path: String) {
        #expect(!ExecSelection.isUrgent(Array(path.utf8)))
    }

    /// The kernel lets the same through as this program takes for urgent: each of these is waited for.
    @Test(.enabled(if: getuid() == 0, "needs root: perf events of every process"))
    func theKernelSelectsTheSame() throws {
        let root = try makeTemporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: root) }
        let loader = realPath("/lib64/ld-linux-x86-64.so.2")
        let library = (loader as NSString).deletingLastPathComponent + "/libc.so.6"
        try place(realPath("/bin/true"), at: root + "/program")
        try place(loader, at: root + "/lib64/ld-linux-x86-64.so.2")
        try place(library, at: root + "/lib64/libc.so.6")
        try makeFolder(root + "/usr/bin")
        let execs = try UrgentExecs(ExecSelection.filter)
        try execs.setOn(true)
        for path in Self.urgent + Self.plain
        where path.hasPrefix("/") && !path.hasPrefix("/proc") && !path.hasPrefix("/dev") {
            // What the path leads to; of the loader's own it is the loader.
            let file = root + path.replacingOccurrences(of: "/usr/bin/../..", with: "")
            if !FileManager.default.fileExists(atPath: file) { try place(root + "/program", at: file) }
            let child = try Child(["chroot", root, path])
            _ = try child.wait()
            // chroot(8) itself is none.
            let count = execs.take().filter { $0.process == child.pid }.count
            #expect(count == (ExecSelection.isUrgent(Array(path.utf8)) ? 1 : 0), "\(path)")
        }
    }

    private func place(_ file: String, at path: String) throws {
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: file, toPath: path)
    }
}
