public import Transfer

/// Where the content of placeholders comes from.
public protocol BlockSource: Sendable {
    /// Units of a file, each whole but for the last one of the file; `nil` stands for zeros.
    ///
    /// - Parameters:
    ///   - missing: bytes that all files together still miss: how far this is.
    /// - Throws: `closed` if it may succeed later; everything else is for good.
    func fetch(_ placeholder: Placeholder, _ units: Range<Int>, missing: UInt64) throws(TransferError)
        -> [[UInt8]?]
}
