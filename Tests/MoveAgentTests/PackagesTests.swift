import Glibc
import Records
import SystemCalls
import TestSupport
import Testing

@testable import MoveAgent

@Suite("Packages that a move has installed")
struct PackagesTests {
    @Test func whatAptWouldDoIsRead() throws {
        let simulation = try #require(
            AptSimulation(
                """
                Reading package lists...
                Inst libfoo1 (1:2.0-3+deb12u1 Debian:12.5/stable [amd64])
                Inst libc6:i386 (2.36-9 Debian:12.5/stable [i386]) []
                Inst foo (1.0~rc1 copy:/srv ./ [all])
                Inst bar [1.0] (2.0 Debian:12.5/stable [amd64])
                Remv baz [3.0]
                Purg qux:i386 [4.0]
                Conf libfoo1 (1:2.0-3+deb12u1 Debian:12.5/stable [amd64])
                """))
        #expect(
            simulation.installed == [
                .init(label: "libfoo1", version: "1:2.0-3+deb12u1", architecture: "amd64"),
                .init(label: "libc6:i386", version: "2.36-9", architecture: "i386"),
                .init(label: "foo", version: "1.0~rc1", architecture: "all"),
            ])
        #expect(simulation.installed.map(\.key) == ["libfoo1:amd64", "libc6:i386", "foo:all"])
        #expect(
            (simulation.changed, simulation.removed, simulation.purged) == (["bar"], ["baz"], ["qux:i386"]))
    }

    @Test(arguments: [
        "Inst foo", "Inst -y (1.0 x [all])", "Inst foo (1.0 x all)", "Inst foo (1.0;reboot x [all])",
        "Inst foo )1.0 [all](", "Purg foo- [1.0]", "Inst foo (1.0 x [])", "Remv $(reboot) [1]",
        "Inst \u{7f}x (1 y [all])",
    ])
    func whatIsNoneIsRefused(line: String) { #expect(AptSimulation("Conf x\n\(line)\n") == nil) }

    @Test func namesAreThoseOfPackages() {
        for name in ["foo", "g++", "libc6:i386", "0ad", "lib.x-y+z"] { #expect(AptSimulation.isName(name)) }
        for name in [
            "", "-y", "foo-", "foo/stable", "foo=1", "foo bar", "foo:", ":i386", "a:b:c", "*", "Foo", "foo\0",
        ] {
            #expect(!AptSimulation.isName(name), "\(name)")
        }
        #expect(AptSimulation.isVersion("1:2.0-3+b1~x") && !AptSimulation.isVersion("-1"))
        #expect(!AptSimulation.isVersion("1 --reinstall") && !AptSimulation.isVersion(""))
    }

    @Test func whatTheJournalHasIsReadAgain() {
        let installation = PackageInstallation([
            .init(label: "libc6:i386", version: "1:2", architecture: "i386")
        ])
        #expect(PackageInstallation(installation.value) == installation)
        #expect(PackageInstallation(.array([.array([.string("-y"), .string("1"), .string("all")])])) == nil)
        #expect(PackageInstallation(.string("foo")) == nil)
    }

    /// With a policy of the host's own and without, cut off at each place, and done again.
    @Test(arguments: [nil, "#!/bin/sh\nexit 0\n"])
    func thePolicyComesBack(own: String?) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/policy-rc.d"
            func text(_ path: String) -> String? {
                (try? FileDescriptor.open(path, O_RDONLY))?.all.map { String(decoding: $0, as: UTF8.self) }
            }
            func put(_ path: String, _ text: String) throws {
                let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o700)
                try Array(text.utf8).withUnsafeBytes { try file.writeAll($0) }
            }
            if let own { try put(path, own) }
            let policy = ServicePolicy(name: "shop", folder: folder)
            for _ in 0..<2 {
                try policy.begin()
                let ours = try #require(text(path))
                #expect(ours.hasSuffix("\nexit 101\n") && access(path, X_OK) == 0)
                // Of a crash before the exchange: both are there, the other way round.
                try policy.end()
                #expect(text(path) == own)
                try put(path + ".retinue-shop", ours)
                try policy.end()
                #expect(text(path) == own && access(path + ".retinue-shop", F_OK) != 0)
                try policy.end()
                #expect(text(path) == own)
            }
            try policy.begin()
            #expect(throws: MoveError.self) { try ServicePolicy(name: "other", folder: folder).begin() }
            try ServicePolicy(name: "other", folder: folder).end()
            // An agent that comes after a crash begins again.
            try policy.begin()
            try policy.end()
            #expect(text(path) == own)
        }
    }
}
