import { type AsyncBuffer, type FileMetaData, parquetSchema } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { getTreePath } from "hyparquet/src/schema.js";

const MAX_PAGE_BYTES = 1 << 30;

/**
 * Checks what a Parquet file says about itself before the decoder trusts it: a damaged count or size would make it ask
 * for any amount of memory or run without end (parquet-format, "Metadata" and "Data Pages").
 *
 * @throws Error that says what is wrong.
 */
export async function checkParquet(file: AsyncBuffer, metadata: FileMetaData): Promise<void> {
  const schema = parquetSchema(metadata);
  for (const { num_rows, columns } of metadata.row_groups) {
    const rows = Number(num_rows);
    if (rows < 0 || rows > 1e6 + 8 * file.byteLength) throw new Error(`a group of ${rows} rows`);
    for (const { meta_data } of columns) {
      if (!meta_data) throw new Error("a column without metadata");
      const leaf = getTreePath(schema, meta_data.path_in_schema).at(-1);
      if (!leaf || leaf.children.length > 0)
        throw new Error(`the column ${meta_data.path_in_schema} is not in the schema`);
      const values = Number(meta_data.num_values);
      if (values < rows || values > 1e6 + 64 * file.byteLength) throw new Error(`a column of ${values} values`);
      const start = Number(meta_data.dictionary_page_offset || meta_data.data_page_offset);
      const size = Number(meta_data.total_compressed_size);
      if (!(start >= 0 && size >= 0 && start + size <= file.byteLength)) throw new Error("a column outside the file");
      checkPages(await file.slice(start, start + size), values, Number(meta_data.total_uncompressed_size));
    }
  }
}

/** Walks the page headers of one column chunk; together the pages hold no more than the chunk says. */
function checkPages(chunk: ArrayBuffer, values: number, uncompressed: number): void {
  const reader = { view: new DataView(chunk), offset: 0 };
  let seen = 0;
  while (reader.offset < chunk.byteLength - 1) {
    const header = parquetHeader(reader);
    const size = header.compressed_page_size;
    if (!(size >= 0 && reader.offset + size <= chunk.byteLength)) throw new Error(`a page of ${size} bytes`);
    const full = header.uncompressed_page_size;
    if (!(full >= 0 && full <= Math.min(MAX_PAGE_BYTES, uncompressed))) throw new Error(`a page of ${full} bytes`);
    const data = header.data_page_header ?? header.data_page_header_v2;
    const count = (data ?? header.dictionary_page_header)?.num_values ?? 0;
    if (!(count >= 0 && count <= values)) throw new Error(`a page of ${count} values`);
    if (data) seen += count;
    if (seen > values) throw new Error("pages with more values than their column");
    reader.offset += size;
  }
  if (seen < values) throw new Error(`${seen} values where the column says ${values}`);
}
