@testable import DebianPackages
import Foundation
import PackageFiles
import TestSupport
import Testing

/// Bytes that dpkg never wrote: nothing of it may trap, and a cut must be reported.
@Suite struct HostileTests {
    private func stanzas(_ bytes: [UInt8]) -> (packages: [Package], flaws: Int) {
        bytes.withUnsafeBytes { bytes in
            var stanzas = ControlStanzas(bytes)
            var packages: [Package] = []
            var flaws = 0
            while let stanza = stanzas.next() {
                let read = PackageStanza(stanza, bytes)
                if let package = read.package { packages.append(package) }
                flaws += read.flaws.count
            }
            return (packages, flaws)
        }
    }

    @Test func statusCutAtEveryByte() {
        let whole = Array(Fixture.status.utf8)
        let packages = stanzas(whole).packages
        #expect(packages.count == 9)
        for length in 0..<whole.count {
            let cut = stanzas(Array(whole[..<length]))
            // At the end of a line nothing can be seen but what lacks; anywhere else it is reported.
            let isWithinLine = length > 0 && whole[length - 1] != 0x0a
            #expect((cut.flaws > 0) || !isWithinLine, "\(length)")
            // Packages before the cut are whole.
            #expect(cut.packages.dropLast().elementsEqual(packages.prefix(max(0, cut.packages.count - 1))))
        }
    }

    @Test func changedStatusFiles() {
        mutate([Array(Fixture.status.utf8)], count: 3000, seed: 31) { bytes in
            for package in stanzas(bytes).packages {
                #expect(!package.qualifiedName.contains("/") && !package.name.isEmpty)
            }
        }
    }

    @Test func changedDigestsAndDiversions() {
        let digests = Array("\(Fixture.digest("a"))  usr/a\n\\\(Fixture.digest("b"))  usr/\\\\b\\n\n".utf8)
        let diversions = Array("/usr/a\n/usr/b\nx\n/c\n/d\n:\n".utf8)
        for length in 0...digests.count { parse(Array(digests.prefix(length))) }
        for length in 0...diversions.count { parse(Array(diversions.prefix(length))) }
        mutate([digests, diversions], count: 5000, seed: 32) { parse($0) }
    }

    private func parse(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { bytes in
            Checksums.parse(bytes, { _, _ in }) { path, _ in #expect(path.first == UInt8(ascii: "/")) }
            for diversion in Diversions.parse(bytes, { _, _ in }) {
                #expect(diversion.from.first == UInt8(ascii: "/") && diversion.to.first == UInt8(ascii: "/"))
            }
        }
    }

    /// Whole databases, with one of their files cut or changed each time; everything is asked of each.
    @Test func wholeDatabases() throws {
        try withSystem { system in
            let folder = "/var/lib/dpkg/"
            let files = ["status", "diversions", "info/base.list", "info/base.md5sums", "info/libs:x.list"]
            let asked = DatabaseTests.owners.map { Array($0.0.utf8) }
            for (number, name) in files.enumerated() {
                let good = try [UInt8](Data(contentsOf: URL(fileURLWithPath: system.root + folder + name)))
                try each(good, number) { bytes in
                    try system.put(folder + name, bytes)
                    guard let database = try? system.open() else { return }
                    _ = database.states(of: asked)
                    _ = database.minimalBase()
                    for id in database.present { _ = try? database.verify(id) }
                    _ = try? system.open(only: asked)
                }
                try system.put(folder + name, good)
            }
            #expect(try system.open(strict: true).ownerName("/usr/bin/tool.base") == "base")
        }
    }

    private func each(_ good: [UInt8], _ seed: Int, _ body: ([UInt8]) throws -> Void) throws {
        for length in stride(from: 0, to: good.count, by: good.count > 400 ? 13 : 1) {
            try body(Array(good[..<length]))
        }
        var failure: (any Error)?
        mutate([good], count: 60, seed: UInt64(seed)) { bytes in
            do { try body(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    private func mutate(_ good: [[UInt8]], count: Int, seed: UInt64, _ body: ([UInt8]) -> Void) {
        var generator = SeededGenerator(seed: seed)
        for round in 0..<count {
            var bytes = good.randomElement(using: &generator)!
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                let any = UInt8.random(in: 0...255, using: &generator)
                let value = [0, 0x0a, 0x20, 0x2f, 0x3a, 0x09, 0xff, any].randomElement(using: &generator)!
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = value
            }
            if round % 5 == 0 { bytes.removeLast(Int.random(in: 0...bytes.count, using: &generator)) }
            if round % 7 == 0 { bytes.append(contentsOf: good.randomElement(using: &generator)!) }
            body(bytes)
        }
    }
}
