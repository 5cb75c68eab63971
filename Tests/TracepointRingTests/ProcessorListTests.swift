import TestSupport
import Testing

@testable import TracepointRing

@Suite struct ProcessorListTests {
    @Test(
        arguments: [
            ("0\n", [0]), ("0-1\n", [0, 1]), ("0-1", [0, 1]), ("0,2-4,8\n", [0, 2, 3, 4, 8]), ("7", [7]),
            ("65535", [65535]),
        ] as [(String, [Int32])])
    func lists(text: String, numbers: [Int32]) {
        #expect(ProcessorList(Array(text.utf8))?.numbers == numbers)
    }

    @Test(arguments: [
        "", "\n", "-", "1-", "-1", "a", "1-0", "0,0", "3,1", "0-2,2", "0,,1", ",", "0,", "1-2-3", "65536",
        "0-99999999999", "99999999999", "0-1\n\n", " 0",
    ])
    func whatIsNone(text: String) {
        #expect(ProcessorList(Array(text.utf8)) == nil)
    }

    @Test func hostileTextDoesNotTrap() {
        hostileMessages(from: [Array("0-3,8,12-15\n".utf8)], count: 5_000, seed: 9) { _ = ProcessorList($0) }
    }

    @Test func online() throws {
        #expect(try !ProcessorList.online().numbers.isEmpty)
    }
}
