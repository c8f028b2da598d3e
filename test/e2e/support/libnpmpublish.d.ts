// The part of libnpmpublish that tests use; it comes without types.
declare module 'libnpmpublish' {
  const libnpmpublish: {
    publish(manifest: object, tarball: Buffer, options: object): Promise<unknown>;
  };
  export default libnpmpublish;
}
