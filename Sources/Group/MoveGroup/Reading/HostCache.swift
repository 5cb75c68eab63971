import Glibc
import Records

/// Hosts by the bytes that a list has for them: a list names few hosts, often the one of the row before.
struct HostCache {
    private var names: [(bytes: [UInt8], number: HostID)] = []
    /// Where the fields of the row before lie, and what they stand for: in most lists the rows of a
    /// program follow one another.
    private var lastName = Field()
    private var lastHost = HostID.none
    private var lastPath = Field()

    /// Some bytes in the buffer that is read.
    struct Field {
        var start: UnsafeRawPointer?
        var count = 0

        @inline(__always)
        func equals(_ other: Field) -> Bool {
            guard count == other.count, let start, let otherStart = other.start else { return false }
            guard count >= 8 else { return memcmp(start, otherStart, count) == 0 }
            // Without a call; two fields that follow one another mostly differ at the end.
            guard
                start.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
                    == otherStart.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
            else { return false }
            return count == 8 || memcmp(start, otherStart, count - 8) == 0
        }

        @inline(__always)
        var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }
    }

    /// Forgets what lies in a buffer that goes.
    mutating func forget() {
        lastName = Field()
        lastPath = Field()
    }

    /// The first end of a row.
    @inline(__always)
    mutating func first(_ name: Field, _ path: Field, _ builder: inout GraphBuilder) -> RowBatch.End {
        var end = RowBatch.End()
        if lastName.equals(name) {
            end.isRepeated = lastPath.equals(path)
        } else {
            lastHost = search(name.bytes, &builder)
            lastName = name
        }
        lastPath = path
        end.path = path
        end.tag = NodeTag.make(.entry, lastHost)
        return end
    }

    /// The second end of a row.
    @inline(__always)
    mutating func second(_ name: Field, _ path: Field, _ builder: inout GraphBuilder) -> RowBatch.End {
        var end = RowBatch.End()
        end.tag = NodeTag.make(.entry, lastName.equals(name) ? lastHost : search(name.bytes, &builder))
        end.path = path
        return end
    }

    @inline(never)
    private mutating func search(_ name: UnsafeRawBufferPointer, _ builder: inout GraphBuilder) -> HostID {
        // Beyond so many the builder's own table is faster.
        if let found = names.firstIndex(where: { $0.bytes.elementsEqual(name) }) {
            return names[found].number
        }
        let number = builder.listedHost(String(decoding: name, as: UTF8.self))
        if names.count < 64 { names.append((Array(name), number)) }
        return number
    }
}
