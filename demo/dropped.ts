/** What was dropped: files as they are, folders with the files directly in them. */
export async function filesOf({ items }: DataTransfer): Promise<File[]> {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const found = await Promise.all(
    entries.map(async (entry) =>
      isDirectory(entry) ? (await listFolder(entry)).filter(isFile) : [entry].filter(isFile),
    ),
  );
  return Promise.all(found.flat().map((entry) => new Promise<File>((resolve, reject) => entry.file(resolve, reject))));
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isDirectory = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;

/** Browsers give a folder's entries by the hundred, until they give none. */
async function listFolder(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
  }
}
