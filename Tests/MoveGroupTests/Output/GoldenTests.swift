import Foundation
import MoveGroup
import Records
import TestSupport
import Testing

@Suite("A small group in every format")
struct GoldenTests {
    /// To accept what is written: remove the file, run the test, read the new one.
    @Test(arguments: Format.all)
    func isAsItWas(format: Format) throws {
        let name = format.name.replacing(" --", with: "-")
        let path = packageFolder + "/Tests/MoveGroupTests/Output/Golden/" + name + ".txt"
        let written = format.write(try TwoHosts.report())
        guard FileManager.default.fileExists(atPath: path) else {
            try Data(written).write(to: URL(fileURLWithPath: path))
            Issue.record("\(path) was not there; it is now")
            return
        }
        let expected = try bytes(ofFile: path)
        #expect(String(decoding: written, as: UTF8.self) == String(decoding: expected, as: UTF8.self))
        #expect(written == expected)
    }
}
