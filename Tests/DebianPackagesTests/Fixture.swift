import DebianPackages
import Foundation
import PackageFiles
import TestSupport

/// A small system in a folder of its own, with a database as dpkg writes it.
struct Fixture {
    let root: String

    static let shell: [UInt8] = Array("a shell\n".utf8)

    func open(only wanted: [[UInt8]]? = nil, strict: Bool = false) throws(DpkgError) -> DpkgDatabase {
        try DpkgDatabase(root: root, only: wanted, strict: strict)
    }

    func put(_ path: String, _ bytes: some Collection<UInt8>) throws {
        try put(Array(path.utf8), bytes)
    }

    /// Writes a file whose name may be anything.
    func put(_ path: [UInt8], _ bytes: some Collection<UInt8>) throws {
        let whole = Array(root.utf8) + path
        if let slash = whole.lastIndex(of: UInt8(ascii: "/")) {
            try makeFolder(String(decoding: whole[..<slash], as: UTF8.self))
        }
        let descriptor = (whole + [0]).withUnsafeBufferPointer { name in
            name.withMemoryRebound(to: CChar.self) {
                Glibc.open($0.baseAddress!, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            }
        }
        guard descriptor >= 0 else { throw Failure("open: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        let all = Array(bytes)
        guard Glibc.write(descriptor, all, all.count) == all.count else { throw Failure("write") }
    }

    func link(_ path: String, to target: String) throws {
        guard symlink(target, root + path) == 0 else { throw Failure("symlink \(path)") }
    }

    func put(list: [String], of package: String) throws {
        try put("/var/lib/dpkg/info/\(package).list", list.map { $0 + "\n" }.joined().utf8)
    }

    static func digest(_ text: String) -> String { MD5.digest(of: text.utf8).description }
}

/// Lends a system that was merged into /usr:
/// - `base`, essential, lists /bin/sh.real (as before the merge), a file that a package diverts, and one with
///   an awkward name; it needs `libs`, and `virtual`, which `provider` provides;
/// - `libs` for two architectures, that share a document;
/// - `taker` diverts /usr/bin/tool of `base`; `conf` has configuration files; `gone` was removed;
/// - `plain` has no digests.
func withSystem(_ body: (Fixture) throws -> Void) throws {
    try withTemporaryFolder { folder in
        let fixture = Fixture(root: folder)
        try fixture.fill()
        try body(fixture)
    }
}

extension Fixture {
    static let awkward = "/usr/share/a b\"'\\\u{1b}[31m\t"

    func fill() throws {
        try makeFolder(root + "/usr/bin")
        try makeFolder(root + "/usr/lib")
        try link("/bin", to: "usr/bin")
        try link("/lib", to: "/usr/lib")
        try put("/usr/bin/sh.real", Self.shell)
        try put("/usr/bin/tool", "taker's".utf8)
        try put("/usr/bin/tool.base", "base's".utf8)
        try put(Self.awkward, "awkward".utf8)
        try put("/usr/lib/x/lib.so", "lib x".utf8)
        try put("/usr/lib/y/lib.so", "changed y".utf8)
        try put("/usr/share/doc/libs/changelog", "changes".utf8)
        try put("/etc/same.conf", "same".utf8)
        try put("/etc/my own.conf", "mine".utf8)
        try put("/etc/new.conf", "new".utf8)
        try put("/usr/share/plain/data", "data".utf8)
        try makeFolder(root + "/usr/share/plain/empty")
        try link("/usr/share/plain/alias", to: "data")
        try fillDatabase()
    }

    private func fillDatabase() throws {
        try put("/var/lib/dpkg/status", Self.status.utf8)
        try put("/var/lib/dpkg/diversions", "/usr/bin/tool\n/usr/bin/tool.base\ntaker\n".utf8)
        try put(
            list: [
                "/.", "/bin", "/bin/sh.real", "/usr", "/usr/bin", "/usr/bin/tool", "/usr/share", Self.awkward,
            ],
            of: "base")
        try put(
            "/var/lib/dpkg/info/base.md5sums",
            """
            \(MD5.digest(of: Self.shell))  bin/sh.real
            \(Self.digest("base's"))  usr/bin/tool
            \(Self.digest("awkward"))  \(Self.awkward.dropFirst())

            """.utf8)
        for architecture in ["x", "y"] {
            try put(
                list: [
                    "/.", "/lib", "/lib/\(architecture)", "/lib/\(architecture)/lib.so", "/usr", "/usr/share",
                    "/usr/share/doc", "/usr/share/doc/libs", "/usr/share/doc/libs/changelog",
                ], of: "libs:\(architecture)")
            try put(
                "/var/lib/dpkg/info/libs:\(architecture).md5sums",
                """
                \(Self.digest("lib " + architecture))  lib/\(architecture)/lib.so
                \(Self.digest("changes"))  usr/share/doc/libs/changelog

                """.utf8)
        }
        try put(list: ["/.", "/usr", "/usr/bin", "/usr/bin/tool"], of: "taker")
        try put("/var/lib/dpkg/info/taker.md5sums", "\(Self.digest("taker's"))  usr/bin/tool\n".utf8)
        try put(
            list: ["/.", "/etc", "/etc/same.conf", "/etc/my own.conf", "/etc/new.conf", "/etc/lost.conf"],
            of: "conf")
        try put(
            list: [
                "/.", "/usr", "/usr/share", "/usr/share/plain", "/usr/share/plain/data",
                "/usr/share/plain/empty", "/usr/share/plain/alias",
            ], of: "plain")
        try put(list: ["/.", "/etc", "/etc/gone.conf"], of: "gone")
        try put(list: ["/."], of: "provider")
    }

    static var status: String {
        """
        Package: base
        Essential: yes
        Status: install ok installed
        Priority: required
        Installed-Size: 12
        Architecture: x
        Version: 1:1.0-1
        Pre-Depends: libs (>= 1)
        Depends: absent | virtual (>= 2) | plain,
         conf:any
        Description: what a system needs
         and a second line: with a colon
         .
         Package: not-a-field

        Package: libs
        Status: install ok installed
        Architecture: x
        Multi-Arch: same
        Version: 2

        Package: libs
        Status: install ok installed
        Architecture: y
        Multi-Arch: same
        Version: 2

        Package: taker
        Status: install ok installed
        Architecture: all
        Version: 3
        Depends: nowhere

        Package: conf
        Status: install ok installed
        Architecture: all
        Version: 4
        Conffiles:
         /etc/same.conf \(digest("same"))
         /etc/my own.conf \(digest("theirs")) obsolete
         /etc/new.conf newconffile
         /etc/lost.conf \(digest("lost"))

        Package: plain
        status: hold ok triggers-pending
        Architecture: all
        Version: 5

        Package: gone
        Status: deinstall ok config-files
        Architecture: all
        Version: 6
        Conffiles:
         /etc/gone.conf \(digest("gone"))

        Package: never
        Status: purge ok not-installed

        Package: provider
        Status: install ok unpacked
        Architecture: y
        Version: 7
        Provides: other, virtual (= 3)
        Depends: libs, base:x, libs:x

        """
    }
}

extension DpkgDatabase {
    /// Name of the owner of a path, with the architecture where there can be several.
    func ownerName(_ path: String) -> String? {
        owner(of: Array(path.utf8)).map { package($0).qualifiedName }
    }

    func state(_ path: String) -> FileState { state(of: Array(path.utf8)) }

    func one(_ name: String, architecture: String? = nil) throws -> PackageID {
        guard let found = find(name, architecture: architecture).first else { throw Failure("no \(name)") }
        return found
    }
}
