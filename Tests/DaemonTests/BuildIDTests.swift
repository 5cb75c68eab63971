import Foundation
import TestSupport
import Testing

@testable import Daemon

/// The identity of a program whatever its name is.
@Suite struct BuildIDTests {
    private func head(_ path: String) throws -> [UInt8] { Array(try bytes(ofFile: path).prefix(4096)) }

    @Test func aCopyHasThatOfItsOriginal() throws {
        let dash = try #require(BuildID(in: head("/usr/bin/dash")))
        let bash = try #require(BuildID(in: head("/usr/bin/bash")))
        #expect(dash != bash && dash.bytes.count >= 8)
        try withTemporaryFolder { folder in
            try run(["cp", "/usr/bin/dash", folder + "/engine"])
            #expect(try BuildID(in: head(folder + "/engine")) == dash)
        }
    }

    @Test func filesThatHaveNone() throws {
        #expect(BuildID(in: []) == nil)
        #expect(BuildID(in: Array("#!/bin/sh\n".utf8)) == nil)
        #expect(BuildID(in: [UInt8](repeating: 0x7f, count: 4096)) == nil)
    }

    /// Any file may be executed.
    @Test func hostileFiles() throws {
        let good = try head("/usr/bin/dash")
        for count in stride(from: 0, to: good.count, by: 7) { _ = BuildID(in: Array(good.prefix(count))) }
        hostileInputs(from: [good, Array(good.prefix(1024))], count: 20_000, seed: 11) { _ = BuildID(in: $0) }
        // Sizes and offsets of all ones.
        for offset in 32..<600 {
            var bytes = good
            for place in offset..<offset + 8 { bytes[place] = 0xff }
            _ = BuildID(in: bytes)
        }
    }
}
