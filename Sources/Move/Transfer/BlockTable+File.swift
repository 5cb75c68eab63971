import SystemCalls

extension BlockTable {
    /// Of an open file, read anew; `nil` where it was cut off meanwhile.
    ///
    /// - Parameter path: what it is called in errors.
    package init?(of descriptor: Int32, _ path: [UInt8]) throws(TransferError) {
        guard let identity = FileIdentity(descriptor: descriptor) else {
            throw .file(path, SystemError("fstat"))
        }
        var table = BlockTable(size: identity.size, hashes: [])
        try BlockReader.read(descriptor, size: identity.size) { piece throws(TransferError) in
            if let failure = piece.failure { throw .file(path, failure) }
            table.hashes += piece.hashes
        }
        guard table.hashes.count == BlockTable.blocks(table.size) else { return nil }
        self = table
    }
}
