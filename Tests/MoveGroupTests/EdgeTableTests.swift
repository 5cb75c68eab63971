import Records
import Testing

@testable import MoveGroup

/// What few edges have stands in columns that end with the last of them.
@Suite struct EdgeTableTests {
    @Test(arguments: [false, true]) func detailsComeBack(isReserved: Bool) {
        var table = EdgeTable()
        if isReserved { table.reserve(40, hasDetails: true) }
        var details: [EdgeDetail] = []
        for number in 0..<100 as Range<UInt64> {
            var detail = EdgeDetail()
            detail.count = number
            detail.first = number * 2
            detail.last = number * 3
            detail.source = UInt16(number)
            detail.kind = .directory
            if number % 7 == 3 { detail.sent = number }
            if number % 11 == 5 { detail.received = number * 5 }
            if number % 5 == 1, number < 60 { detail.change = UInt32(number) }
            if number % 13 == 2 { detail.via = NodeID(rawValue: UInt32(number)) }
            if number % 17 == 4 {
                detail = EdgeDetail()
                table.append(UInt32(number), 1, EdgeMark(.file))
            } else {
                table.append(UInt32(number), 1, EdgeMark(.file), detail)
            }
            details.append(detail)
        }
        func expect(_ table: borrowing EdgeTable) {
            for (number, detail) in details.enumerated() {
                let found = table.detail(EdgeID(rawValue: UInt32(number)))
                #expect("\(found)" == "\(detail)")
            }
        }
        expect(table)
        expect(table.copied())
        table.shrink()
        expect(table)
    }
}
